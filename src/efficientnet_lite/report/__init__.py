"""The run as one page to look at: `facts` reads the card, `plots` draws, `page` writes the HTML."""

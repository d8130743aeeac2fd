"""A run as one page: `facts` are read of the card, `page` renders them, `plots` and `curves` draw."""

"""A run as one page: `facts` are read of the card, `advice` says what to do, `page` renders them with `pictures`."""

"""Weights in every published form, read without the frameworks that wrote them."""

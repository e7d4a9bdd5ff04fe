"""Every figure of the book. Each function draws one figure from records or models and returns it."""

"""What past records say about signals, and how much of it can be believed."""

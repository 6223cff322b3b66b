"""One module per vendor or software; each turns raw text or tags into `facts.Facts`."""

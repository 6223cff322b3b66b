"""What lies beside an image file, one module per kind of header."""

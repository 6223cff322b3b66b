"""The documentation as a site, and what holds its pages together."""

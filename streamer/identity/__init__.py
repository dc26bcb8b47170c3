"""SIP Identity headers (STIR/SHAKEN): who signed that a calling number is the caller's, and whether that holds."""

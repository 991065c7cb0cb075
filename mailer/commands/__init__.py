"""Commands of the house itself: init, doctor, serve, keys. A module each, so that none waits for what others import."""

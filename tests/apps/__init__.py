"""Applications that run in a real server: for the tests, and for a person with a browser."""

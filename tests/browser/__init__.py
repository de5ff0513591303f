"""The kit in a real browser."""

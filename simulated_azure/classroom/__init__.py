"""One endpoint for a room: a key and a budget for each seat, and a live page for the projector."""

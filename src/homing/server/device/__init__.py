"""The device API: HTTPS calls and the WebSocket of the apps."""

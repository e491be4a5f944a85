"""The partners of the sandbox, asked over HTTP as the app asks them."""

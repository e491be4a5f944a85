"""Who asked the sandbox for what and when, and the faults that are planted between question and answer."""

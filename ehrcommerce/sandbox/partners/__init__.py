"""The partners of the sandbox: three suppliers, a carrier, a payer, a payment page and a message gateway.

They are what the application meets outside of the chart, so they behave like strangers: they answer over HTTP only,
keep their own books, remember idempotency keys, call back late or twice, and can be told to misbehave.
"""

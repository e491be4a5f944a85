"""What runs inside the processes of a system under fire: crash points and seeded bugs, put on from outside."""

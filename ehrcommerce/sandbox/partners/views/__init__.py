"""One file for each kind of partner: what it is asked, what it answers."""

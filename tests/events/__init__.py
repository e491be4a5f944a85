"""What EHRs tell, and what follows from it."""

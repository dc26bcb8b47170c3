"""What no partition sees whole: partial sums of all of them merged by subject, and what stands out among these."""

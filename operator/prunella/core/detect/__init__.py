"""What is wrong with a workload: one failure family a file."""

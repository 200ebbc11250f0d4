"""What is written by hand about the project, and what is generated from it."""

"""What is measured rather than asserted: timings on a shared machine are too noisy for a test."""

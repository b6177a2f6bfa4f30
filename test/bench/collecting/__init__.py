"""The parts of test/bench/collector; each file says what it is for."""

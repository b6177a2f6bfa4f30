"""The parts of test/bench/webhook; each file says what it is for."""

"""The parts of test/bench/scaler; each file says what it is for."""

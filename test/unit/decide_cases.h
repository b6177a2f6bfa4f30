/* Courses of events for decide() as data: test/golden/decide/FILE.
 *
 *     case NAME
 *     set KEY VALUE         annotation scale.amp/KEY; threshold is 25 unless there are triggers
 *     unpaced               no past proposal counts, not even the first sight's
 *     at TIME COUNT[/READY] READINGS => COUNT REASON [FACT]… [| part of the message]
 *     each FROM TO STEP COUNT[/READY] READINGS => …    the same at FROM, FROM+STEP, … TO
 *
 * TIME is since the case's start. COUNT before "=>": spec.replicas as seen, or "." for what was
 * decided last; as many are ready. READINGS are separated by commas: a number, nan, inf, empty,
 * error or none (not asked). A FACT is active, inactive, unsure; by=TRIGGER, by= for none;
 * proposal=N; fallback. Lines with '#' in front and empty ones are passed over.
 */
#ifndef AMPSCALE_TEST_DECIDE_CASES_H
#define AMPSCALE_TEST_DECIDE_CASES_H

/* Every case of the file; the first mismatch of each is printed, and any fails the test. */
void decide_cases(const char *path);

#endif

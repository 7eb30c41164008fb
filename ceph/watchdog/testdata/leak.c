/* LD_PRELOAD: a leak that a test turns on in a real daemon. The file that LEAK
 * names holds the rate in MiB a second; while there is none, nothing leaks. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void *leak(void *file)
{
	double owed = 0, last = now();

	for (;;) {
		struct timespec pause = {0, 50 * 1000 * 1000};
		double rate = 0, t;
		FILE *f;

		nanosleep(&pause, NULL);
		t = now();
		f = fopen(file, "r");
		if (f) {
			if (fscanf(f, "%lf", &rate) != 1)
				rate = 0;
			fclose(f);
		}
		owed += rate * (t - last) * 16; /* in pieces of 64 KiB */
		last = t;
		for (; owed >= 1; owed--) {
			char *p = malloc(64 * 1024);
			if (p)
				memset(p, 0x5a, 64 * 1024);
		}
	}
	return NULL;
}

__attribute__((constructor)) static void begin(void)
{
	pthread_t t;
	char *file = getenv("LEAK");

	if (file && pthread_create(&t, NULL, leak, file) == 0)
		pthread_detach(t);
}

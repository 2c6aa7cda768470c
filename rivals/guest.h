//! The frame of a rival that is written in C or C++: everything of the protocol (README.md beside this file)
//! but the messages' way from one process to the other.
//!
//! A guest is one source file. It includes this header, says who it is (`about`), and defines the seven functions
//! that are declared under "the link": how a message goes out and comes in. They end up in the same file as the
//! loops that call them, so the compiler sees through them.
//!
//! Read from the bottom up for the story of a run (`main`), from the top down for its parts: the guest, ending,
//! the job, the message, the clock, the processes, the loops, the result.

#ifndef RIVALS_GUEST_H
#define RIVALS_GUEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

enum { JOB_LIMIT_BYTES = 4096, SIZE_LIMIT_BYTES = 16 << 20 };

/// More than any run takes; the sum of two does not overflow.
static const uint64_t MESSAGES_LIMIT = UINT64_C(1000000000000);

/// A sample of 8 bytes is kept for each round trip, so memory bounds their number.
static const uint64_t ROUND_TRIPS_LIMIT = 100000000;

// ---- the guest ----------------------------------------------------------------------------------

/// The description of a guest: its name and its abilities; each list ends with NULL.
typedef struct {
    const char *name, *version;
    const char *kinds[5], *workloads[3], *waits[3];
    /// What stands beside its rows: in which way it does not do what its neighbours do. NULL: nothing.
    const char *note;
} About;

static About about(void);

// ---- ending -------------------------------------------------------------------------------------

enum { EXIT_FAILED_RUN = 1, EXIT_BAD_JOB = 2 };

/// The second process, as the first one sees it; 0 where there is none.
static pid_t responder = 0;

/// Says why on one line, takes the second process down and ends.
__attribute__((noreturn, format(printf, 2, 3))) static inline void end(int status, const char *format, ...) {
    char why[512];
    va_list rest;
    va_start(rest, format);
    vsnprintf(why, sizeof why, format, rest);
    va_end(rest);
    dprintf(STDERR_FILENO, "%s: %s\n", about().name, why);
    if (responder > 0) {
        kill(responder, SIGKILL);
        while (waitpid(responder, NULL, 0) < 0 && errno == EINTR) {}
    }
    _exit(status);
}

#define FAIL(...) end(EXIT_FAILED_RUN, __VA_ARGS__)
#define FAIL_ERRNO(what) end(EXIT_FAILED_RUN, "%s: %s", (what), strerror(errno))

/// Ends with the second process: what else could the first one wait for? Where that one has already said why,
/// its line stands alone.
static inline void bury_responder(int signal_number) {
    int status = 0;
    (void)signal_number;
    if (responder == 0 || waitpid(responder, &status, WNOHANG) != responder) return;
    responder = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_FAILED_RUN) _exit(EXIT_FAILED_RUN);
    if (WIFSIGNALED(status)) FAIL("the second process was killed by signal %d", WTERMSIG(status));
    FAIL("the second process ended early");
}

/// The other process is gone: a link that notices says so here.
__attribute__((noreturn)) static inline void lost_peer(void) {
    if (responder == 0) FAIL("the first process is gone");
    for (;;) pause(); // until `bury_responder` ends this
}

// ---- the job ------------------------------------------------------------------------------------

/// A word of the job: as long as any known one needs, and no character that JSON would escape.
typedef char Word[32];

typedef struct {
    Word kind, workload, wait;
    uint32_t size_bytes;
    uint64_t messages, warmup;
    bool pinned;
    int cores[2];
    bool tsc;
    double ns_per_tick;
    // What follows from those.
    bool stream, spin;
    /// The two processes have but one core between them, so that polling keeps the other from running.
    bool one_core;
} Job;

/// Whether the two processes have but one core between them, so that polling keeps the other from running.
static bool share_one_core(const Job *job) {
    cpu_set_t allowed;
    if (job->pinned) return job->cores[0] == job->cores[1];
    return sched_getaffinity(0, sizeof allowed, &allowed) == 0 && CPU_COUNT(&allowed) == 1;
}

typedef struct {
    const char *start, *at, *end;
} Text;

#define BAD_JOB(text, expected) \
    end(EXIT_BAD_JOB, "job, byte %zu: expected %s", (size_t)((text)->at - (text)->start), (expected))

static void skip_space(Text *text) {
    while (text->at < text->end && (*text->at == ' ' || *text->at == '\t' || *text->at == '\r')) text->at++;
}

/// Takes `mark` if it is the next thing in the text.
static bool take_if(Text *text, const char *mark) {
    size_t length = strlen(mark);
    skip_space(text);
    if ((size_t)(text->end - text->at) < length || memcmp(text->at, mark, length) != 0) return false;
    text->at += length;
    return true;
}

static void take(Text *text, const char *mark) {
    if (!take_if(text, mark)) BAD_JOB(text, mark);
}

static void take_word(Text *text, Word word) {
    size_t length = 0;
    take(text, "\"");
    while (text->at < text->end && *text->at != '"') {
        char c = *text->at;
        bool plain = c >= ' ' && c <= '~' && c != '\\';
        if (!plain || length + 1 >= sizeof(Word)) BAD_JOB(text, "a short plain word");
        word[length++] = c;
        text->at++;
    }
    word[length] = '\0';
    take(text, "\"");
}

static uint64_t take_integer(Text *text, uint64_t least, uint64_t most) {
    uint64_t value = 0;
    skip_space(text);
    if (text->at == text->end || *text->at < '0' || *text->at > '9') BAD_JOB(text, "an integer");
    for (; text->at < text->end && *text->at >= '0' && *text->at <= '9'; text->at++) {
        if (value > (UINT64_MAX - 9) / 10) BAD_JOB(text, "an integer of 64 bits");
        value = value * 10 + (uint64_t)(*text->at - '0');
    }
    if (value < least || value > most) {
        end(EXIT_BAD_JOB, "job, byte %zu: %" PRIu64 " is out of range: %" PRIu64 " to %" PRIu64,
            (size_t)(text->at - text->start), value, least, most);
    }
    return value;
}

static double take_positive_number(Text *text) {
    char digits[64], *rest;
    size_t length = 0;
    skip_space(text);
    while (text->at < text->end && *text->at != '\0' && strchr("0123456789.eE+-", *text->at) != NULL) {
        if (length + 1 >= sizeof digits) BAD_JOB(text, "a shorter number");
        digits[length++] = *text->at++;
    }
    digits[length] = '\0';
    double value = strtod(digits, &rest);
    if (length == 0 || *rest != '\0' || !(value > 0.0 && value <= 1e9)) BAD_JOB(text, "a number above 0");
    return value;
}

static void take_cores(Text *text, Job *job) {
    if (take_if(text, "null")) return;
    job->pinned = true;
    take(text, "[");
    job->cores[0] = (int)take_integer(text, 0, CPU_SETSIZE - 1);
    take(text, ",");
    job->cores[1] = (int)take_integer(text, 0, CPU_SETSIZE - 1);
    take(text, "]");
}

static void take_clock(Text *text, Job *job) {
    if (take_if(text, "\"monotonic\"")) {
        job->ns_per_tick = 1.0;
        return;
    }
    job->tsc = true;
    take(text, "{");
    take(text, "\"tsc\"");
    take(text, ":");
    take(text, "{");
    take(text, "\"ns_per_tick\"");
    take(text, ":");
    job->ns_per_tick = take_positive_number(text);
    take(text, "}");
    take(text, "}");
}

/// Reads the job. A key that is not known is refused: it could change what the job means.
static Job parse_job(const char *line, size_t length) {
    static const char *const KEYS[] = {"kind",   "workload", "size_bytes", "messages",
                                       "warmup", "cores",    "wait",       "clock"};
    enum { KEY_COUNT = sizeof KEYS / sizeof KEYS[0] };
    Text text = {line, line, line + length};
    Job job;
    bool seen[KEY_COUNT];
    memset(&job, 0, sizeof job);
    memset(seen, 0, sizeof seen);

    take(&text, "{");
    do {
        Word key;
        size_t k = 0;
        take_word(&text, key);
        while (k < KEY_COUNT && strcmp(key, KEYS[k]) != 0) k++;
        if (k == KEY_COUNT) end(EXIT_BAD_JOB, "job: unknown key `%s`", key);
        if (seen[k]) end(EXIT_BAD_JOB, "job: key `%s` appears twice", key);
        seen[k] = true;
        take(&text, ":");
        switch (k) {
        case 0: take_word(&text, job.kind); break;
        case 1: take_word(&text, job.workload); break;
        case 2: job.size_bytes = (uint32_t)take_integer(&text, 1, SIZE_LIMIT_BYTES); break;
        case 3: job.messages = take_integer(&text, 1, MESSAGES_LIMIT); break;
        case 4: job.warmup = take_integer(&text, 0, MESSAGES_LIMIT); break;
        case 5: take_cores(&text, &job); break;
        case 6: take_word(&text, job.wait); break;
        case 7: take_clock(&text, &job); break;
        }
    } while (take_if(&text, ","));
    take(&text, "}");
    skip_space(&text);
    if (text.at != text.end) BAD_JOB(&text, "the end of the line");
    for (size_t k = 0; k < KEY_COUNT; k++) {
        if (!seen[k]) end(EXIT_BAD_JOB, "job: key `%s` is missing", KEYS[k]);
    }
    job.stream = strcmp(job.workload, "stream") == 0;
    job.spin = strcmp(job.wait, "spin") == 0;
    job.one_core = share_one_core(&job);
    return job;
}

static Job read_job(void) {
    char line[JOB_LIMIT_BYTES];
    size_t length = 0;
    for (;;) {
        if (length == sizeof line) end(EXIT_BAD_JOB, "job: longer than %d bytes", JOB_LIMIT_BYTES);
        ssize_t got = read(STDIN_FILENO, line + length, sizeof line - length);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) end(EXIT_BAD_JOB, "job: %s", strerror(errno));
        if (got == 0) break;
        char *newline = (char *)memchr(line + length, '\n', (size_t)got);
        length += (size_t)got;
        if (newline != NULL) {
            length = (size_t)(newline - line);
            break;
        }
    }
    return parse_job(line, length);
}

// ---- the message --------------------------------------------------------------------------------

/// Words in a block: the loops are over whole blocks, which the compiler unrolls and does many words at a time.
enum { BLOCK_WORDS = 8, WORD_BYTES = 8 };

/// Word `i` of message `sequence`. The first says which message it is, the second is 0, the rest is a pattern
/// that no other message shares.
static inline uint64_t message_word(uint64_t sequence, uint64_t i) {
    if (i == 0) return sequence;
    if (i == 1) return 0;
    return sequence * UINT64_C(0x9E3779B97F4A7C15) + i;
}

/// The words from `i` on, as they lie in a message: little-endian.
static inline void make_block(uint64_t words[BLOCK_WORDS], uint64_t sequence, uint64_t i) {
    uint64_t first = sequence * UINT64_C(0x9E3779B97F4A7C15) + i;
    for (int k = 0; k < BLOCK_WORDS; k++) words[k] = htole64(first + (uint64_t)k);
    if (i == 0) {
        words[0] = htole64(sequence);
        words[1] = 0;
    }
}

/// Makes message `sequence`; a last word that is not whole keeps its low bytes.
static inline void make_message(uint8_t *bytes, size_t size_bytes, uint64_t sequence) {
    size_t i = 0, words = size_bytes / WORD_BYTES, rest = size_bytes % WORD_BYTES;
    for (; i + BLOCK_WORDS <= words; i += BLOCK_WORDS) {
        uint64_t block[BLOCK_WORDS];
        make_block(block, sequence, i);
        memcpy(bytes + i * WORD_BYTES, block, sizeof block);
    }
    for (; i < words; i++) {
        uint64_t word = htole64(message_word(sequence, i));
        memcpy(bytes + i * WORD_BYTES, &word, WORD_BYTES);
    }
    if (rest > 0) {
        uint64_t word = htole64(message_word(sequence, i));
        memcpy(bytes + i * WORD_BYTES, &word, rest);
    }
}

__attribute__((noreturn, cold)) static inline void wrong_message(const uint8_t *bytes, size_t size_bytes, uint64_t sequence) {
    size_t at = 0;
    for (; at < size_bytes; at++) {
        uint64_t word = htole64(message_word(sequence, at / WORD_BYTES));
        if (memcmp(bytes + at, (uint8_t *)&word + at % WORD_BYTES, 1) != 0) break;
    }
    FAIL("message %" PRIu64 " is not what was sent, from byte %zu on", sequence, at);
}

/// Ends the run if any byte differs from message `sequence`. Differences are gathered, not branched on.
static inline void verify_message(const uint8_t *bytes, size_t size_bytes, uint64_t sequence) {
    size_t i = 0, words = size_bytes / WORD_BYTES, rest = size_bytes % WORD_BYTES;
    uint64_t wrong = 0;
    for (; i + BLOCK_WORDS <= words; i += BLOCK_WORDS) {
        uint64_t sent[BLOCK_WORDS], came[BLOCK_WORDS];
        make_block(sent, sequence, i);
        memcpy(came, bytes + i * WORD_BYTES, sizeof came);
        for (int k = 0; k < BLOCK_WORDS; k++) wrong |= sent[k] ^ came[k];
    }
    for (; i < words; i++) {
        uint64_t came;
        memcpy(&came, bytes + i * WORD_BYTES, WORD_BYTES);
        wrong |= came ^ htole64(message_word(sequence, i));
    }
    if (rest > 0) {
        uint64_t sent = htole64(message_word(sequence, i));
        wrong |= (uint64_t)(memcmp(bytes + i * WORD_BYTES, &sent, rest) != 0);
    }
    if (wrong != 0) wrong_message(bytes, size_bytes, sequence);
}

// ---- the clock ----------------------------------------------------------------------------------

static bool clock_is_tsc = false;

/// The time in ticks of the job's clock; both processes read the same one.
static inline uint64_t now_ticks(void) {
#if defined(__x86_64__)
    if (clock_is_tsc) return __rdtsc();
#endif
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/// From `start` to `stop`; the clocks of two cores that disagree end the run.
static uint64_t ticks_between(uint64_t start, uint64_t stop) {
    if (stop < start) FAIL("the clock went backwards by %" PRIu64 " ticks", start - stop);
    return stop - start;
}

/// Rounded to the nearest nanosecond.
static uint64_t to_ns(uint64_t ticks, double ns_per_tick) {
    return (uint64_t)((double)ticks * ns_per_tick + 0.5);
}

// ---- the processes ------------------------------------------------------------------------------

/// Dies with its parent, and by Ctrl-C or SIGTERM even if the parent ignored them.
static void die_with_parent(pid_t parent) {
    sigset_t none;
    sigemptyset(&none);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGPIPE, SIG_IGN); // a lost peer is an error of write(2), which gets a line of its own
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) FAIL_ERRNO("prctl");
    if (getppid() != parent) _exit(EXIT_FAILED_RUN); // it died before the line above
}

/// Pins this process to one core and reads back that it sits there.
static void pin(int core) {
    cpu_set_t wanted, got;
    CPU_ZERO(&wanted);
    CPU_SET((unsigned)core, &wanted);
    if (sched_setaffinity(0, sizeof wanted, &wanted) != 0) FAIL("core %d: %s", core, strerror(errno));
    if (sched_getaffinity(0, sizeof got, &got) != 0) FAIL_ERRNO("sched_getaffinity");
    if (!CPU_EQUAL(&wanted, &got) || sched_getcpu() != core) FAIL("core %d: pinned, but not there", core);
}

/// All of it, over the socket by which the two processes talk about the run.
static inline void say(int news, const void *bytes, size_t size_bytes) {
    ssize_t said;
    do said = write(news, bytes, size_bytes);
    while (said < 0 && errno == EINTR);
    if (said != (ssize_t)size_bytes) lost_peer();
}

static inline void hear(int news, void *bytes, size_t size_bytes) {
    ssize_t heard;
    do heard = recv(news, bytes, size_bytes, MSG_WAITALL);
    while (heard < 0 && errno == EINTR);
    if (heard != (ssize_t)size_bytes) lost_peer();
}

/// Returns when the other side has come to the same point.
static inline void meet(int news) {
    uint8_t here = 1;
    say(news, &here, 1);
    hear(news, &here, 1);
}

// ---- the link -----------------------------------------------------------------------------------

// What a guest defines. Each process has one end of the link; the guest keeps it in variables of its own.

/// Makes what both processes must have before the second one is forked off.
static void link_prepare(const Job *job);
/// In each process, once it is forked and pinned: takes the end of this `side`, 0 or 1, and lets go of the other.
/// `news` is a socket to the other process, for whatever the two must tell each other.
static void link_open(const Job *job, int side, int news);
/// The end of a run that went well.
static void link_close(void);
/// Where the next message is to be made: `own`, unless the link has a better place.
static uint8_t *link_loan(uint8_t *own, size_t size_bytes);
/// Sends the message that was made there.
static void link_send(const uint8_t *bytes, size_t size_bytes);
/// Sends whatever was kept back: no more may come for a while.
static void link_flush(void);
/// Waits for the next message; it is in `own` or in a better place, and stays there until the next call.
static const uint8_t *link_receive(uint8_t *own, size_t size_bytes);

/// The link's answer to "not yet" in a spinning run.
static bool yield_when_empty = false;

static inline void not_yet(void) {
    if (yield_when_empty) sched_yield();
}

/// The same for a link that polls memory. Where a message goes to and fro the processor's pause keeps the reader from
/// fighting the writer for the line; in a stream the line is there at most polls, and a pause only costs.
static bool pause_when_empty = false;

static inline void not_yet_in_memory(void) {
#if defined(__x86_64__)
    if (pause_when_empty) _mm_pause();
#endif
    not_yet();
}

// ---- the loops ----------------------------------------------------------------------------------

/// What the second process tells the first: how many messages were right, and when the last one was.
typedef struct {
    uint64_t verified, last_ticks;
} Report;

static inline uint8_t *new_buffer(size_t size_bytes) {
    uint8_t *buffer = (uint8_t *)aligned_alloc(64, (size_bytes + 63) / 64 * 64);
    if (buffer == NULL) FAIL_ERRNO("a message's buffer");
    memset(buffer, 0xff, size_bytes); // touched here, so that the first message does not fault it in
    return buffer;
}

static uint64_t *new_samples(uint64_t count) {
    void *samples = mmap(NULL, count * sizeof(uint64_t), PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (samples == MAP_FAILED) FAIL_ERRNO("room for the samples");
    return (uint64_t *)samples;
}

static inline void send_next(uint8_t *own, size_t size_bytes, uint64_t sequence) {
    uint8_t *place = link_loan(own, size_bytes);
    make_message(place, size_bytes, sequence);
    link_send(place, size_bytes);
}

static inline const uint8_t *receive_next(uint8_t *own, size_t size_bytes, uint64_t sequence) {
    const uint8_t *place = link_receive(own, size_bytes);
    verify_message(place, size_bytes, sequence);
    return place;
}

static inline void round_trip(uint8_t *own, size_t size_bytes, uint64_t sequence) {
    send_next(own, size_bytes, sequence);
    link_flush();
    receive_next(own, size_bytes, sequence);
}

/// Times every round trip; one clock read ends one and starts the next. Returns the whole in ticks.
static uint64_t ping(const Job *job, uint64_t *samples) {
    uint8_t *own = new_buffer(job->size_bytes);
    uint64_t sequence = 0;
    while (sequence < job->warmup) round_trip(own, job->size_bytes, sequence++);
    uint64_t first = now_ticks(), last = first;
    for (uint64_t i = 0; i < job->messages; i++) {
        round_trip(own, job->size_bytes, sequence++);
        uint64_t stamp = now_ticks();
        samples[i] = stamp - last;
        last = stamp;
    }
    for (uint64_t i = 0; i < job->messages; i++) {
        if (samples[i] > INT64_MAX) FAIL("the clock went backwards in round trip %" PRIu64, i);
    }
    free(own);
    return ticks_between(first, last);
}

/// Sends back what it has verified.
static Report pong(const Job *job) {
    uint8_t *own = new_buffer(job->size_bytes);
    uint64_t sequence = 0, last = job->warmup + job->messages;
    for (; sequence < last; sequence++) {
        const uint8_t *came = receive_next(own, job->size_bytes, sequence);
        uint8_t *place = link_loan(own, job->size_bytes);
        if (place != came) memcpy(place, came, job->size_bytes);
        link_send(place, job->size_bytes);
        link_flush();
    }
    Report report = {sequence, now_ticks()};
    free(own);
    return report;
}

/// Sends one message after the other. Returns when the first timed one was begun, in ticks.
static uint64_t pour(const Job *job, int news) {
    uint8_t *own = new_buffer(job->size_bytes), warm;
    uint64_t sequence = 0, first;
    while (sequence < job->warmup) send_next(own, job->size_bytes, sequence++);
    link_flush();
    hear(news, &warm, 1); // nothing of the warm-up is left on the way
    first = now_ticks();
    while (sequence < job->warmup + job->messages) send_next(own, job->size_bytes, sequence++);
    link_flush();
    free(own);
    return first;
}

/// Takes and verifies every message.
static Report drain(const Job *job, int news) {
    uint8_t *own = new_buffer(job->size_bytes), warm = 1;
    uint64_t sequence = 0;
    while (sequence < job->warmup) receive_next(own, job->size_bytes, sequence++);
    say(news, &warm, 1);
    while (sequence < job->warmup + job->messages) receive_next(own, job->size_bytes, sequence++);
    Report report = {sequence, now_ticks()};
    free(own);
    return report;
}

// ---- the result ---------------------------------------------------------------------------------

static int by_value(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/// Prints the result line; `samples` are round trips in ticks, and NULL for a stream.
static void print_result(const Job *job, uint64_t verified, uint64_t elapsed_ns, uint64_t *samples) {
    printf("{\"name\":\"%s\",\"version\":\"%s\",\"messages\":%" PRIu64 ",\"verified\":%" PRIu64
           ",\"elapsed_ns\":%" PRIu64 ",\"latency_ns\":[",
           about().name, about().version, job->messages, verified, elapsed_ns);
    if (samples != NULL) {
        for (uint64_t i = 0; i < job->messages; i++) samples[i] = to_ns(samples[i], job->ns_per_tick / 2);
        qsort(samples, job->messages, sizeof *samples, by_value);
        for (uint64_t i = 0, run; i < job->messages; i += run) {
            for (run = 1; i + run < job->messages && samples[i + run] == samples[i]; run++) {}
            printf("%s[%" PRIu64 ",%" PRIu64 "]", i > 0 ? "," : "", samples[i], run);
        }
    }
    printf("]}\n");
    if (fflush(stdout) != 0) FAIL_ERRNO("stdout");
}

static void print_list(const char *key, const char *const *words) {
    printf(",\"%s\":[", key);
    for (size_t i = 0; words[i] != NULL; i++) printf("%s\"%s\"", i > 0 ? "," : "", words[i]);
    printf("]");
}

static void describe(void) {
    About us = about();
    printf("{\"name\":\"%s\",\"version\":\"%s\"", us.name, us.version);
    print_list("kinds", us.kinds);
    print_list("workloads", us.workloads);
    print_list("waits", us.waits);
    if (us.note != NULL) printf(",\"note\":\"%s\"", us.note);
    printf("}\n");
    if (fflush(stdout) != 0) FAIL_ERRNO("stdout");
}

/// Says that this guest cannot do the job, and ends well: a gap is no failure.
__attribute__((noreturn)) static void unsupported(const char *what, const char *word, const char *const *instead) {
    printf("{\"unsupported\":\"%s %s: %s knows", what, word, about().name);
    for (size_t i = 0; instead[i] != NULL; i++) printf("%s %s", i > 0 ? "," : "", instead[i]);
    printf("\"}\n");
    if (fflush(stdout) != 0) FAIL_ERRNO("stdout");
    exit(0);
}

static void must_know(const char *what, const char *word, const char *const *known) {
    for (size_t i = 0; known[i] != NULL; i++) {
        if (strcmp(word, known[i]) == 0) return;
    }
    unsupported(what, word, known);
}

static void check_support(const Job *job) {
    static const char *const FEWER[] = {"at most 100000000 round trips", NULL};
    About us = about();
    must_know("workload", job->workload, us.workloads);
    must_know("wait", job->wait, us.waits);
    must_know("kind", job->kind, us.kinds);
    if (!job->stream && job->messages > ROUND_TRIPS_LIMIT) unsupported("messages", "too many", FEWER);
#if !defined(__x86_64__)
    static const char *const MONOTONIC[] = {"monotonic on this processor", NULL};
    if (job->tsc) unsupported("clock", "tsc", MONOTONIC);
#endif
}

// ---- the run ------------------------------------------------------------------------------------

/// The life of the second process. `news` carries one byte when it stands ready, one when a stream's warm-up
/// is over, and its report; then it stays until the first one hangs up, so that nothing it sent is lost.
__attribute__((noreturn)) static void respond(const Job *job, int news) {
    uint8_t over;
    if (job->pinned) pin(job->cores[1]);
    link_open(job, 1, news);
    meet(news);
    Report report = job->stream ? drain(job, news) : pong(job);
    say(news, &report, sizeof report);
    while (recv(news, &over, 1, 0) < 0 && errno == EINTR) {}
    link_close();
    _exit(0);
}

/// Forks the second process off; the first one ends with it from here on.
static void fork_responder(const Job *job, const int news[2]) {
    pid_t self = getpid(), forked = fork();
    if (forked < 0) FAIL_ERRNO("fork");
    if (forked == 0) {
        die_with_parent(self);
        close(news[0]);
        respond(job, news[1]);
    }
    responder = forked;
    close(news[1]);
    struct sigaction bury;
    memset(&bury, 0, sizeof bury);
    bury.sa_handler = bury_responder;
    bury.sa_flags = SA_NOCLDSTOP;
    if (sigaction(SIGCHLD, &bury, NULL) != 0) FAIL_ERRNO("sigaction");
    bury_responder(0); // if it ended before the line above
}

/// Lets the second process go, and sees that it ends well.
static void dismiss_responder(int news) {
    int status = 0;
    signal(SIGCHLD, SIG_DFL);
    close(news);
    while (waitpid(responder, &status, 0) < 0) {
        if (errno != EINTR) FAIL_ERRNO("waitpid");
    }
    responder = 0;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) FAIL("the second process did not end well");
}

static void run(const Job *job) {
    int news[2];
    uint64_t *samples = NULL, first_ticks = 0, elapsed_ticks = 0;
    Report report;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, news) != 0) FAIL_ERRNO("socketpair");
    clock_is_tsc = job->tsc;
    yield_when_empty = job->one_core;
    pause_when_empty = !job->stream;
    link_prepare(job);
    fork_responder(job, news);
    if (job->pinned) pin(job->cores[0]);
    if (!job->stream) samples = new_samples(job->messages);
    link_open(job, 0, news[0]);
    meet(news[0]);
    if (job->stream) first_ticks = pour(job, news[0]);
    else elapsed_ticks = ping(job, samples);
    hear(news[0], &report, sizeof report);
    if (job->stream) elapsed_ticks = ticks_between(first_ticks, report.last_ticks);
    dismiss_responder(news[0]);
    link_close();
    if (report.verified != job->warmup + job->messages) FAIL("only %" PRIu64 " verified", report.verified);
    print_result(job, report.verified - job->warmup, to_ns(elapsed_ticks, job->ns_per_tick), samples);
}

int main(int count, char **arguments) {
    die_with_parent(getppid());
    if (count == 2 && strcmp(arguments[1], "--describe") == 0) {
        describe();
        return 0;
    }
    if (count != 1) end(EXIT_BAD_JOB, "usage: %s [--describe] < job", about().name);
    Job job = read_job();
    check_support(&job);
    run(&job);
    return 0;
}

#endif

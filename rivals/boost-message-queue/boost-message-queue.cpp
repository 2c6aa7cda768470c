//! boost-message-queue: Boost.Interprocess's message queue, one each way.
//!
//! It lies in named shared memory and is guarded by a lock in it; who waits sleeps on a condition in it. Both are made
//! before the second process is, so that their names are gone at once and nothing stays behind.

#include "../guest.h"
#include <boost/interprocess/ipc/message_queue.hpp>
#include <boost/version.hpp>
#include <memory>
#include <string>

using boost::interprocess::message_queue;

static About about(void) {
    About us = {"boost-message-queue", "boost " BOOST_LIB_VERSION ", guest 1", {"shm"}, {"ping-pong", "stream"}, {"spin", "block"}, NULL};
    return us;
}

/// What all messages of a queue may take together, and how many they are at most.
enum { QUEUE_BYTES = 8 << 20, QUEUE_MESSAGES = 1024 };

static std::unique_ptr<message_queue> queues[2];
static message_queue *out, *in;
static bool spins;

/// An exception of the library's ends the run.
template <typename Act> static auto told(Act act) -> decltype(act()) {
    try {
        return act();
    } catch (const std::exception &error) {
        FAIL("%s", error.what());
    }
}

static void link_prepare(const Job *job) {
    size_t messages = QUEUE_BYTES / job->size_bytes;
    if (messages > QUEUE_MESSAGES) messages = QUEUE_MESSAGES;
    if (messages < 4) messages = 4;
    for (int way = 0; way < 2; way++) {
        std::string name = "ipcscope-rival-" + std::to_string(getpid()) + (way == 0 ? "-there" : "-back");
        told([&] {
            using namespace boost::interprocess;
            queues[way] = std::make_unique<message_queue>(create_only, name.c_str(), messages, job->size_bytes);
            return message_queue::remove(name.c_str());
        });
    }
    spins = job->spin;
}

static void link_open(const Job *, int side, int) {
    out = queues[side].get();
    in = queues[1 - side].get();
}

static void link_close(void) {}

static uint8_t *link_loan(uint8_t *own, size_t) { return own; }

static void link_send(const uint8_t *bytes, size_t size_bytes) {
    told([&] {
        if (!spins) return out->send(bytes, size_bytes, 0);
        while (!out->try_send(bytes, size_bytes, 0)) not_yet_in_memory();
    });
}

static void link_flush(void) {}

static const uint8_t *link_receive(uint8_t *own, size_t size_bytes) {
    message_queue::size_type came = 0;
    unsigned priority;
    told([&] {
        if (!spins) return in->receive(own, size_bytes, came, priority);
        while (!in->try_receive(own, size_bytes, came, priority)) not_yet_in_memory();
    });
    if (came != size_bytes) FAIL("a message of %zu bytes", (size_t)came);
    return own;
}

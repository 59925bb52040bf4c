#include "ledger/entry_pool.h"

#include <utility>

namespace turnpike::ledger {
namespace {

using Entry = std::unique_ptr<UnshippedEntry>;

/// Frees a list.
void drop(UnshippedEntry* list) {
  while (list != nullptr) {
    const Entry entry(std::exchange(list, list->next));
  }
}

/// What this thread has taken over and not used yet.
struct Own {
  std::uint64_t pool = 0;
  UnshippedEntry* list = nullptr;
  ~Own() { drop(list); }
};
thread_local Own own_list;

std::uint64_t next_id() {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1) + 1;
}

}  // namespace

EntryPool::EntryPool() : id_(next_id()) {}

EntryPool::~EntryPool() {
  drop(spent_.exchange(nullptr));
}

std::unique_ptr<UnshippedEntry> EntryPool::take() {
  if (own_list.pool != id_) {
    drop(std::exchange(own_list.list, nullptr));
    own_list.pool = id_;
  }
  if (own_list.list == nullptr && spent_.load(std::memory_order_relaxed) != nullptr) {
    // All at once: a list that is only ever taken whole has no ABA problem.
    own_list.list = spent_.exchange(nullptr, std::memory_order_acquire);
    kept_.store(0, std::memory_order_relaxed);
  }
  if (own_list.list == nullptr) return std::make_unique<UnshippedEntry>();
  Entry entry(own_list.list);
  own_list.list = entry->next;
  std::string payload = std::move(entry->payload);
  payload.clear();
  *entry = UnshippedEntry{};
  entry->payload = std::move(payload);
  return entry;
}

void EntryPool::give(std::unique_ptr<UnshippedEntry> entry) {
  if (entry->payload.capacity() > kKeptBytesMax || kept_.load(std::memory_order_relaxed) >= kKeptMax) return;
  kept_.fetch_add(1, std::memory_order_relaxed);
  UnshippedEntry* const raw = entry.release();
  UnshippedEntry* head = spent_.load(std::memory_order_relaxed);
  do {
    raw->next = head;
  } while (!spent_.compare_exchange_weak(head, raw, std::memory_order_release, std::memory_order_relaxed));
}

}  // namespace turnpike::ledger

#pragma once

#include <cstdlib>
#include <memory>
#include <string>

#include "http/head_parser.h"
#include "http/head_writer.h"
#include "http/server_core.h"
#include "net/slab.h"
#include "net/socket.h"

namespace turnpike::http {

/// One accepted connection: reads requests one after the other, and is the exchange of the one being answered. While it
/// waits for the next request it holds no buffer.
///
/// Threading: lives on its shard's thread, from `start` until it ends itself.
class ServerConnection final : public Exchange {
 public:
  /// Begins to serve on the calling thread, which is the shard's. The shard's `open` has been counted already.
  static void start(std::shared_ptr<ServerCore> core, ServerCore::Shard& shard, int fd, const net::Address& peer);

  ServerConnection(std::shared_ptr<ServerCore> core, ServerCore::Shard& shard, int fd, const net::Address& peer);
  ~ServerConnection() override;

  /// Nobody listens any more: looks anew at how long it may wait for its next request.
  void hurry_idle();
  /// Tells the exchange in progress that the server wants to end.
  void interrupt();
  /// Ends it in any case; the exchange in progress sees its caller gone.
  void abort();

  const Request& request() const override { return request_; }
  net::IoThread& thread() const override { return *shard_.loop; }
  Task<Status> reply(const ReplyHead& head, Pieces body) override;
  void begin_stream(const ReplyHead& head) override;
  Task<Status> write(Pieces pieces) override;
  bool slip_in(std::string_view bytes) override;
  Task<Status> finish(Pieces last) override;
  void cut() override;
  bool head_sent() const override { return head_sent_; }
  bool caller_gone() const override { return gone_ || socket_.peer_closed(); }
  bool interrupted() const override { return interrupted_; }
  void on_gone(std::function<void()> action) override;

 private:
  struct Free {
    void operator()(char* memory) const noexcept { std::free(memory); }
  };
  using Memory = std::unique_ptr<char[], Free>;
  /// Large memory grows without being copied: the kernel moves its pages.
  static void resize(Memory& memory, std::size_t bytes);

  /// What goes out together: text of ours, the caller's pieces, text of ours.
  struct Parcel {
    std::string_view before;
    Pieces pieces;
    std::string_view after;
    std::size_t sent = 0;
    bool done = false;
  };

  static Task<void> serve(std::unique_ptr<ServerConnection> self);
  Task<void> serve_all();
  Task<bool> read_head();
  Task<bool> read_body();
  Task<bool> read_sized_body(std::size_t length);
  Task<bool> read_chunked_body();
  Task<void> answer();
  Task<void> run_handler();
  Task<bool> refuse(int status, const char* reason);
  Task<void> linger();
  Task<bool> wait_idle();
  base::Monotonic idle_until(base::Monotonic since) const;
  Task<bool> wait_body(base::Monotonic begun, std::size_t have);
  Task<Status> send(Parcel parcel);

  net::Io write_some(const Parcel& parcel);
  bool advance(Parcel& parcel);  // Sends what the kernel takes; false when the connection has failed.
  bool take_bytes(net::Io& io, char* to, std::size_t size);
  void make_room();
  void keep_small();
  void drop_buffers();
  void forget_request();
  bool is_preflight() const;
  ReplyFraming framing_of_reply() const;
  /// What stands in front of a streamed write: the head, before the first, or the rest of what was slipped in.
  void append_owed(std::string& text);
  void set_gone();
  static void changed(void* self);

  std::shared_ptr<ServerCore> core_;
  ServerCore::Shard& shard_;
  net::Socket socket_;
  std::size_t place_ = 0;  // In shard_.connections.

  net::Block block_;
  net::SmallBlock small_;          // Instead of the block, for a request that fits while it is answered.
  std::unique_ptr<char[]> grown_;  // Instead of the block, for a head that outgrows it.
  char* data_ = nullptr;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0, end_ = 0;  // Received and not yet taken.
  Memory body_;                      // For a body that does not fit behind its head.
  std::size_t since_turn_ = 0;       // Bytes received since others had their turn.
  std::string leftover_;             // Bytes of the next request that came with a chunked body.

  Request request_;
  Framing framing_;
  std::string peer_;
  std::string stream_head_;
  std::string owed_;  // Of what was slipped in: goes in front of the next write.
  std::function<void()> gone_action_;
  net::TimerWheel::Node gone_check_{&ServerConnection::changed, this};

  bool idle_ = false;
  bool served_ = false;  // A request has been answered on this connection.
  bool keep_alive_ = true;
  bool head_sent_ = false;
  bool replied_ = false;
  bool streaming_ = false;
  bool sending_ = false;  // The kernel has not taken all of a write yet.
  bool cors_ = false;
  bool gone_ = false;
  bool linger_ = false;
  bool interrupted_ = false;
};

}  // namespace turnpike::http

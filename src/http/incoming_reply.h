#pragma once

#include <memory>
#include <string>
#include <vector>

#include "http/chunk_decoder.h"
#include "http/client_pool.h"
#include "http/exchange_clock.h"
#include "http/head_parser.h"
#include "http/patient_wait.h"
#include "net/slab.h"

namespace turnpike::http {

/// The answer on one connection. It holds a buffer only while bytes are in it.
class IncomingReply final : public Incoming, public base::PooledObject {
 public:
  IncomingReply(std::shared_ptr<ClientPool> pool, std::unique_ptr<Connection> connection, ExchangeClock clock,
                Cancel& cancel);
  ~IncomingReply() override;

  void expect_no_body(bool head_only) { head_only_ = head_only; }
  /// Reads the head. `untouched` is set when it failed before any byte of an answer came.
  Task<Status> read_head(bool& untouched);

  int status() const override { return status_; }
  std::string_view find(std::string_view name) const override;
  const Fields& fields() const override { return fields_; }
  std::optional<std::uint64_t> length() const override { return framing_.length; }
  Task<Result<std::string_view>> read() override;
  Task<Result<std::string_view>> read_all(std::size_t bytes_max) override;
  void on_partial(std::function<void()> action) override { partial_ = std::move(action); }
  std::string_view received() const override { return received_; }
  void set_deadline(base::Monotonic deadline) override { clock_.set_deadline(deadline); }
  bool ended() const override { return ended_; }

 private:
  /// Waits for bytes and receives up to `size` of them; 0: the provider has closed.
  Task<Result<std::size_t>> receive(char* to, std::size_t size, ExchangeClock::Limit limit);
  PatientWait wait(std::uint8_t interest, const ExchangeClock::Limit& limit);
  ExchangeClock::Limit limit_now() const;
  /// What of `size` new bytes at `data` belongs to the body.
  Result<std::string_view> take(char* data, std::size_t size);
  void tell_partial();
  Status keep_head(const char* data, std::size_t head_bytes, std::size_t received);
  Task<Result<std::string_view>> read_sized();
  void end_body();
  Error truncated() const;

  std::shared_ptr<ClientPool> pool_;
  std::unique_ptr<Connection> connection_;
  ExchangeClock clock_;
  Cancel& cancel_;
  net::Block block_;
  std::size_t held_ = 0, held_end_ = 0;  // Bytes of the block that were received with the head.
  std::string head_;
  Fields fields_;
  std::unique_ptr<char[]> whole_;  // read_all's, when it does not fit the block.
  std::string_view received_;
  std::function<void()> partial_;
  Framing framing_;
  ChunkDecoder chunks_;
  int status_ = 0;
  std::uint64_t left_ = 0;      // Of a body with a length.
  std::size_t since_turn_ = 0;  // Bytes received since others had their turn.
  bool body_begun_ = false;
  bool ended_ = false;
  bool head_only_ = false;  // The answer to HEAD.
  bool reset_ = false;      // The connection failed rather than ended.
  base::Monotonic last_bytes_;
};

}  // namespace turnpike::http

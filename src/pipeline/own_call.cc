#include "pipeline/own_call.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "pipeline/call.h"

namespace turnpike::pipeline {

/// An exchange with nobody at the other end: the answer is kept.
class SilentExchange final : public http::Exchange {
 public:
  SilentExchange(Worker& worker, const OwnCall& own) : worker_(worker), traceparent_(own.traceparent) {
    worker_.own_calls.push_back(this);
    body_ = own.body;
    body_.append(http::kBodyPadding, '\0');
    request_.method = http::Method::Post;
    request_.method_text = "POST";
    request_.target = request_.path = own.route;
    request_.body = std::string_view(body_).substr(0, own.body.size());
    if (!traceparent_.empty()) request_.fields.push_back({"traceparent", traceparent_});
    if (!own.call_id.empty()) request_.fields.push_back({"x-litellm-call-id", own.call_id});
    request_.fields.push_back({"content-type", "application/json"});
    request_.fields.push_back({"user-agent", "turnpike"});
  }

  ~SilentExchange() override { std::erase(worker_.own_calls, this); }
  SilentExchange(const SilentExchange&) = delete;
  SilentExchange& operator=(const SilentExchange&) = delete;

  const http::Request& request() const override { return request_; }
  net::IoThread& thread() const override { return *worker_.thread; }
  Task<Status> reply(const http::ReplyHead&, http::Pieces pieces) override {
    keep(pieces);
    co_return Status{};
  }
  void begin_stream(const http::ReplyHead&) override { sent_ = true; }
  Task<Status> write(http::Pieces pieces) override {
    keep(pieces);
    co_return Status{};
  }
  Task<Status> finish(http::Pieces pieces) override {
    keep(pieces);
    co_return Status{};
  }
  void cut() override {}
  bool head_sent() const override { return sent_; }
  bool caller_gone() const override { return false; }
  bool interrupted() const override { return interrupted_; }
  void on_gone(std::function<void()> action) override { gone_action_ = std::move(action); }

  /// The process is ending: nobody waits for this.
  void interrupt() {
    interrupted_ = true;
    if (gone_action_) std::exchange(gone_action_, {})();
  }

  std::string answer;

 private:
  void keep(http::Pieces pieces) {
    sent_ = true;
    for (const std::string_view piece : pieces) answer += piece.substr(0, kOwnAnswerBytesMax - answer.size());
  }

  Worker& worker_;
  std::string body_;
  const std::string traceparent_;
  http::Request request_;
  bool sent_ = false;
  bool interrupted_ = false;
  std::function<void()> gone_action_;
};

namespace {

/// Who calls when nobody does: may use every model, on no account.
domain::CallerRef ourselves() {
  static const domain::CallerRef kOurselves = [] {
    auto caller = std::make_shared<domain::Caller>();
    caller->role = domain::Role::ProxyAdmin;
    caller->key_alias = "turnpike";
    return caller;
  }();
  return kOurselves;
}

}  // namespace

Task<OwnAnswer> make_own_call(Gateway& gateway, net::IoThread& thread, OwnCall own) {
  SilentExchange exchange(gateway.worker_of(thread), own);
  Call call(gateway, exchange, own.operation, own.route);
  call.own = &own;
  call.caller = own.caller ? own.caller : ourselves();
  call.record.caller = call.caller;
  co_await carry_out(call, own.model);
  co_return OwnAnswer{std::move(call.record), std::move(exchange.answer)};
}

void end_own_calls(Gateway& gateway) {
  for (const std::unique_ptr<Worker>& worker : gateway.workers) {
    worker->thread->post([&worker = *worker] {
      const std::vector<SilentExchange*> open = worker.own_calls;  // Those that end leave the list.
      for (SilentExchange* exchange : open) {
        if (std::find(worker.own_calls.begin(), worker.own_calls.end(), exchange) != worker.own_calls.end())
          exchange->interrupt();
      }
    });
  }
}

}  // namespace turnpike::pipeline

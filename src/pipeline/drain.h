#pragma once

#include <memory>

#include "net/io_threads.h"
#include "router/deployment.h"

namespace turnpike::pipeline {

struct Call;
struct Gateway;

/// What becomes of the answer under way when its caller hangs up. As a rule the provider is let go at once; where
/// `drain_on_disconnect` says so, the answer is read to its end though nobody gets it, so that the entry has the
/// provider's own usage (AC-DISC-3). A drain has a limit of its own, `drain_timeout`.
///
/// Threading: the call's thread.
class Drain {
 public:
  /// A request is about to leave for this deployment, or its answer has come.
  void asked(const Call& call, const router::Deployment& deployment);
  /// The attempt has failed: nothing is left to be read.
  void attempt_failed(Call& call);
  /// The caller has gone, or the gateway is ending.
  void caller_went(Call& call);
  /// Nobody gets what is being read.
  bool running() const { return limit_ != nullptr; }

 private:
  bool wanted_ = false;
  std::unique_ptr<net::IoThread::Timer> limit_;
};

/// The process ends what is left: also answers that are read for nobody. From any thread.
void end_drains(Gateway& gateway);

}  // namespace turnpike::pipeline

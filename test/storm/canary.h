#pragma once

namespace turnpike::storm {

/// Tells when nothing that this thread has sent over the loopback device is on its way any more: a datagram sent after
/// it has arrived. The device keeps the order of what one processor sends, so the thread must stay on one.
class Canary {
 public:
  Canary();
  Canary(const Canary&) = delete;
  Canary& operator=(const Canary&) = delete;
  ~Canary();

  /// Keeps the calling thread on the processor it is on.
  static void stay_here();
  void fly() const;

 private:
  int socket_ = -1;
};

}  // namespace turnpike::storm

#pragma once

/// Who of a group may be asked for this call, and who had better not: what `pick` and `outlook` both go by.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "router/router.h"

namespace turnpike::router {

/// Whether a deployment may be asked, best first. Between full and resting, a call waits for who is well.
/// Unwell is who failed its latest probe while another one may be asked.
enum class Standing : std::uint8_t {
  Fresh,
  Tried,
  Full,
  Unwell,
  Cooling,
  Spent,
  Unable,
  TooLong,
  Elsewhere,
  Untagged,
  Hidden
};

/// One value for each member; on the stack for all but huge groups. Not initialized.
template <class T>
class PerMember {
 public:
  explicit PerMember(std::size_t count) {
    if (count > kFew) many_.resize(count);
    data_ = many_.empty() ? few_.data() : many_.data();
  }
  PerMember(const PerMember&) = delete;
  PerMember& operator=(const PerMember&) = delete;
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }

 private:
  static constexpr std::size_t kFew = 32;
  std::array<T, kFew> few_;
  std::vector<T> many_;
  T* data_;
};

inline std::int64_t cooling_until(const Deployment& deployment) {
  return deployment.health->cooling_until_us.load(std::memory_order_relaxed);
}

inline bool is_in(std::span<const std::string> ids, const std::string& id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

/// The smaller comes first; one without `order` last.
inline int level_of(const Deployment& deployment) {
  return deployment.order.value_or(std::numeric_limits<int>::max());
}

class Standings {
 public:
  Standings(const ModelGroup& group, const PickInput& input);
  Standing best() const { return best_; }
  Standing of(std::size_t i) const { return of_[i]; }

 private:
  void judge(const ModelGroup& group, const PickInput& input);
  void leave_out_unwell(const ModelGroup& group, std::int64_t now_us);
  PerMember<Standing> of_;
  Standing best_ = Standing::Hidden;
};

}  // namespace turnpike::router

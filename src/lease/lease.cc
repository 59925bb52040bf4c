#include "lease/lease.h"

namespace turnpike::lease {

LeaseResult fence(const LeaseNumbers& known, const LeaseOperation& operation) {
  if (known.epoch > operation.epoch) return LeaseResult::Superseded;
  const bool same_epoch = known.op_epoch == operation.epoch;
  if (same_epoch && known.op_no >= operation.op_no) return LeaseResult::Stale;
  if (operation.verb == LeaseVerb::Restore) return LeaseResult::Applied;
  const bool forgot = operation.acked_no > 0 && (!same_epoch || known.op_no < operation.acked_no);
  return known.epoch < operation.epoch || forgot ? LeaseResult::Lost : LeaseResult::Applied;
}

}  // namespace turnpike::lease

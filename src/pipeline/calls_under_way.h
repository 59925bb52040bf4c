#pragma once

namespace turnpike::pipeline {

struct Call;

/// The calls under way on one I/O thread, the oldest first: who looks for calls that hang walks them. A call costs two
/// pointers at its begin and two at its end.
///
/// Threading: its thread's.
class CallsUnderWay {
 public:
  /// One call's place; it leaves the list with its end.
  class Place {
   public:
    Place(CallsUnderWay& list, const Call& call_in) : call(&call_in), before_(list.end_.before_), after_(&list.end_) {
      before_->after_ = this;
      after_->before_ = this;
    }
    ~Place() {
      before_->after_ = after_;
      after_->before_ = before_;
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

    const Call* const call;  // Null: the end of the list.
    bool told = false;       // That it hangs.

   private:
    friend class CallsUnderWay;
    Place() : call(nullptr), before_(this), after_(this) {}
    Place* before_;
    Place* after_;
  };

  CallsUnderWay() = default;
  CallsUnderWay(const CallsUnderWay&) = delete;
  CallsUnderWay& operator=(const CallsUnderWay&) = delete;

  /// From the oldest on, while `visit(Place&)` says true.
  template <class Visit>
  void each(Visit visit) {
    for (Place* place = end_.after_; place != &end_ && visit(*place);) place = place->after_;
  }

 private:
  Place end_;
};

}  // namespace turnpike::pipeline

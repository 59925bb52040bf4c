#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/reply_stream.h"
#include "protocol/sse_decoder.h"

namespace turnpike::protocol {

/// Passes an answer on as it comes and listens: sound, or the server-sent events of images, transcripts and speech,
/// which have no chunks to put right. What the events say of usage is kept; the first one decides whether there is an
/// answer.
///
/// Source: OpenAI API reference: `image_generation.*`, `image_edit.*`, `transcript.text.*`, `speech.audio.*`.
/// Errors: an event that is an error; UpstreamTruncated when the last event never came, or no byte of sound.
class PassStream : public ReplyStream {
 public:
  explicit PassStream(StreamOptions options);

  Status feed(std::string_view bytes, std::vector<std::string_view>& pieces) override;
  Status finish(std::vector<std::string_view>& pieces) override;
  bool done() const override { return false; }  // The provider's end is the end.
  bool owes_usage() const override { return false; }
  std::string_view last_events(const domain::Usage&) override { return {}; }
  bool content_seen() const override { return begun_; }
  const std::string& id() const override { return none_; }
  const std::string& finish_reason() const override { return finish_reason_; }
  const std::optional<domain::Usage>& usage() const override { return usage_; }
  const std::string& service_tier() const override { return none_; }
  bool complete() const override { return complete_; }
  bool choice_seen() const override { return begun_; }
  const std::string& text_for_count() const override { return none_; }
  std::uint64_t text_bytes() const override { return 0; }
  std::uint64_t raw_text_bytes() const override { return 0; }
  std::uint64_t sound_milliseconds() const override;

 private:
  Status read_event(std::string_view data);

  StreamOptions options_;
  std::unique_ptr<SseDecoder> events_;  // Null: sound.
  std::vector<SseEvent> fresh_;
  std::optional<domain::Usage> usage_;
  std::string head_;  // Of the sound: enough to read its rate.
  std::uint64_t sound_bytes_ = 0;
  std::string finish_reason_;
  std::string none_;
  bool begun_ = false;
  bool complete_ = false;
};

}  // namespace turnpike::protocol

#include "account/sealed.h"

#include <sodium.h>

#include <algorithm>
#include <functional>

#include "base/base64.h"
#include "base/id.h"
#include "json/document.h"
#include "json/write.h"

namespace turnpike::account {
namespace {

unsigned char* bytes_of(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}
const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

using Change = std::function<Result<std::string>(std::string_view name, const std::string& text)>;

/// Writes `value` anew with each of its strings changed; `name` is the member it stands under.
Status write_changed(json::Writer& writer, const json::Value& value, std::string_view name, const Change& change) {
  if (value.is(json::Kind::Object)) {
    writer.begin_object();
    for (const json::Value::Pair member : value.members()) {
      const std::string key = member.key.text().value_or(std::string());
      writer.key(key);
      if (Status done = write_changed(writer, member.value, key, change); !done) return done;
    }
    writer.end_object();
  } else if (value.is(json::Kind::Array)) {
    writer.begin_array();
    for (const json::Value element : value.elements()) {
      if (Status done = write_changed(writer, element, name, change); !done) return done;
    }
    writer.end_array();
  } else if (value.is(json::Kind::String)) {
    Result<std::string> changed = change(name, value.text().value_or(std::string()));
    if (!changed) return base::fail(std::move(changed.error()));
    writer.string(*changed);
  } else {
    writer.raw(value.raw());
  }
  return {};
}

Result<std::string> change_strings(std::string_view json_text, const Change& change) {
  json::Document document;
  if (Status parsed = document.parse(json_text); !parsed) return base::fail(std::move(parsed.error()));
  std::string out;
  json::Writer writer(out);
  if (Status done = write_changed(writer, document.root(), "", change); !done) return base::fail(done.error());
  return out;
}

}  // namespace

Sealer::Sealer(const base::Secret& secret) : ready_(!secret.empty()), key_(base::sha256(secret.reveal())) {
  static_assert(sizeof key_ == crypto_secretbox_KEYBYTES);
}

std::string Sealer::seal(std::string_view text) const {
  std::string box(crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES + text.size(), '\0');
  base::fill_random(box.data(), crypto_secretbox_NONCEBYTES);
  crypto_secretbox_easy(bytes_of(box) + crypto_secretbox_NONCEBYTES, bytes_of(text), text.size(), bytes_of(box),
                        key_.data());
  std::string encoded = base::to_base64(box);
  std::replace(encoded.begin(), encoded.end(), '+', '-');
  std::replace(encoded.begin(), encoded.end(), '/', '_');
  return encoded;
}

std::optional<std::string> Sealer::open(std::string_view sealed) const {
  std::string encoded(sealed);
  std::replace(encoded.begin(), encoded.end(), '-', '+');
  std::replace(encoded.begin(), encoded.end(), '_', '/');
  const std::optional<std::string> box = base::from_base64(encoded);
  constexpr std::size_t kBefore = crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES;
  if (!ready_ || !box || box->size() < kBefore) return std::nullopt;
  std::string text(box->size() - kBefore, '\0');
  const std::string_view bytes = *box;
  if (crypto_secretbox_open_easy(bytes_of(text), bytes_of(bytes) + crypto_secretbox_NONCEBYTES,
                                 bytes.size() - crypto_secretbox_NONCEBYTES, bytes_of(bytes), key_.data()) != 0) {
    return std::nullopt;
  }
  return text;
}

Sealer make_sealer(const std::optional<std::string>& salt_key, const base::Secret& master_key) {
  return Sealer(salt_key && !salt_key->empty() ? base::Secret(*salt_key) : master_key);
}

Result<std::string> seal_strings(const Sealer& sealer, std::string_view json_text) {
  if (!sealer.ready()) {
    return base::fail(
        ErrorKind::Unavailable,
        "Secrets are kept encrypted, and there is no key for that: set LITELLM_SALT_KEY or a master key.");
  }
  return change_strings(json_text, [&sealer](std::string_view, const std::string& text) -> Result<std::string> {
    return sealer.seal(text);
  });
}

Result<std::string> open_strings(const Sealer& sealer, std::string_view json_text) {
  return change_strings(json_text, [&sealer](std::string_view name, const std::string& text) -> Result<std::string> {
    std::optional<std::string> opened = sealer.open(text);
    if (opened) return std::move(*opened);
    return base::fail(ErrorKind::Unavailable, std::string(name) +
                                                  " cannot be decrypted: it was stored under another LITELLM_SALT_KEY "
                                                  "(or master key) than the one in force");
  });
}

}  // namespace turnpike::account

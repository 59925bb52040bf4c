#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "db/database.h"
#include "db/postgres_connection.h"

namespace turnpike::db {

/// A PostgreSQL of this test binary's own, on a socket in a temporary directory: made when first asked for, ended with
/// the binary. PostgreSQL refuses to run as root, so root becomes `postgres` for it.
class TestPostgres {
 public:
  static TestPostgres& get() {
    static TestPostgres server;
    return server;
  }

  std::string url(const std::string& database) const {
    return "postgresql://turnpike@/" + database + "?host=" + directory_;
  }
  /// The URL of a database nobody else uses.
  std::string fresh() {
    const std::string name = "t" + std::to_string(++databases_);
    run("CREATE DATABASE " + name + " TEMPLATE template0 STRATEGY file_copy");
    return url(name);
  }
  /// One statement on `database`, outside of any transaction.
  void run(const std::string& sql, const std::string& database = "postgres") {
    const int left = wait_for({bin("psql"), "-qX", "-v", "ON_ERROR_STOP=1", "-c", sql, url(database)});
    if (left != 0) ADD_FAILURE() << "psql " << sql;
  }

  void start() {
    server_ =
        spawn({bin("postgres"), "-D", directory_ + "/data", "-k", directory_, "-c", "listen_addresses=", "-c",
               "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=60", "-c", "shared_buffers=16MB"});
    for (int i = 0; i < 400; ++i) {
      if (wait_for({bin("pg_isready"), "-q", "-h", directory_, "-t", "1"}) == 0) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(25));
    }
    ADD_FAILURE() << "PostgreSQL did not start, see " << directory_ << "/log";
  }
  void stop() { end(SIGINT); }
  /// SIGINT: quickly but in order; SIGQUIT: as in a crash.
  void end(int signal) {
    if (server_ <= 0) return;
    ::kill(server_, signal);
    ::waitpid(server_, nullptr, 0);
    server_ = -1;
  }

 private:
  TestPostgres() {
    char name[] = "/tmp/turnpike_postgres_XXXXXX";
    directory_ = ::mkdtemp(name);
    if (const passwd* user = ::geteuid() == 0 ? ::getpwnam("postgres") : nullptr) {
      uid_ = user->pw_uid;
      gid_ = user->pw_gid;
      if (::chown(name, uid_, gid_) != 0) ADD_FAILURE() << "chown " << name;
    }
    const int made = wait_for({bin("initdb"), "-D", directory_ + "/data", "-A", "trust", "-U", "turnpike", "--no-sync",
                               "-E", "UTF8", "--locale=C"});
    if (made != 0) ADD_FAILURE() << "initdb failed, see " << directory_ << "/log: is postgresql-15 installed?";
    start();
  }
  ~TestPostgres() {
    stop();
    std::filesystem::remove_all(directory_);
  }

  static std::string bin(const std::string& name) { return "/usr/lib/postgresql/15/bin/" + name; }

  pid_t spawn(std::vector<std::string> words) const {
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const std::string log = directory_ + "/log";
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child != 0) return child;
    const int file = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0666);
    ::dup2(file, 1);
    ::dup2(file, 2);
    if (uid_ != 0 && (::setgid(gid_) != 0 || ::setuid(uid_) != 0)) ::_exit(126);
    ::prctl(PR_SET_PDEATHSIG, SIGINT);  // It ends with the test, whatever becomes of that.
    if (::getppid() != parent || ::chdir("/") != 0) ::_exit(125);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  int wait_for(std::vector<std::string> words) const {
    int status = 0;
    ::waitpid(spawn(std::move(words)), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  std::string directory_;
  uid_t uid_ = 0;
  gid_t gid_ = 0;
  pid_t server_ = -1;
  std::atomic<int> databases_{0};
};

/// What database tests run on.
enum class Engine { Sqlite, Postgres };
inline std::string engine_name(const testing::TestParamInfo<Engine>& info) {
  return info.param == Engine::Sqlite ? "Sqlite" : "Postgres";
}
inline const auto kEngines = testing::Values(Engine::Sqlite, Engine::Postgres);

/// A database with the schema in it that can be opened again: SQLite in `directory`, or one of the server.
class TestDatabase {
 public:
  TestDatabase(Engine engine, const std::string& directory)
      : engine_(engine), place_(engine == Engine::Sqlite ? directory + "/turnpike.db" : TestPostgres::get().fresh()) {}

  Result<std::unique_ptr<Database>> open(PostgresOptions options = {}) const {
    if (engine_ == Engine::Sqlite) return open_sqlite(place_);
    auto database = open_postgres(place_, options);
    if (!database) return database;
    if (Status opened = (*database)->opened(); !opened) return base::fail(std::move(opened.error()));
    return database;
  }
  const std::string& place() const { return place_; }  // Path or URL.

 private:
  Engine engine_;
  std::string place_;
};

inline bool on_postgres() {
  const char* const wanted = std::getenv("TURNPIKE_TEST_DATABASE");
  return wanted != nullptr && std::string_view(wanted) == "postgres";
}

inline const TestDatabase& test_database(const std::string& path) {
  static std::map<std::string, TestDatabase> databases;
  auto place = databases.find(path);
  if (place == databases.end()) place = databases.emplace(path, TestDatabase(Engine::Postgres, path)).first;
  return place->second;
}
/// So that processes forked from now on share it.
inline void prepare_test_database(const std::string& path) {
  if (on_postgres()) test_database(path);
}

/// The database of a test that would keep SQLite at `path`: that, or PostgreSQL where TURNPIKE_TEST_DATABASE=postgres
/// says so. The same path is the same database.
inline Result<std::unique_ptr<Database>> open_test_database(const std::string& path) {
  return on_postgres() ? test_database(path).open() : open_sqlite(path);
}

}  // namespace turnpike::db

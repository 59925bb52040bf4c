# All sources share one precompiled header of the standard library, the tests another with GoogleTest in it. Tests are
# compiled without optimization, which halves their time; what they test is optimized as before, but for the templates that
# both use: of these the linker takes the test's.
add_library(turnpike_pch OBJECT ${PROJECT_SOURCE_DIR}/cmake/pch.cc)
target_precompile_headers(turnpike_pch PRIVATE ${PROJECT_SOURCE_DIR}/cmake/light_pch.h)
if(TURNPIKE_TESTS)
  add_library(turnpike_test_pch OBJECT ${PROJECT_SOURCE_DIR}/cmake/pch.cc)
  target_link_libraries(turnpike_test_pch PRIVATE GTest::gtest)
  target_compile_options(turnpike_test_pch PRIVATE -O0)
  target_precompile_headers(turnpike_test_pch PRIVATE ${PROJECT_SOURCE_DIR}/cmake/test_pch.h)
endif()

# These run for many seconds in templates, which costs more than a quicker compilation spares.
set(folders_with_optimized_tests codec price ledger)

# Tests of these run on SQLite, and with ./check --full on PostgreSQL too (src/db/test_postgres.h).
set(folders_with_a_database account ledger prompt proof api)

# turnpike_test(<name> <source>...): the test binary <name>_test for the library turnpike_<name>.
function(turnpike_test name)
  add_executable(${name}_test ${ARGN})
  target_link_libraries(${name}_test PRIVATE turnpike_${name} GTest::gtest GTest::gtest_main)
  target_compile_definitions(${name}_test PRIVATE TURNPIKE_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  if(name IN_LIST folders_with_optimized_tests)
    target_precompile_headers(${name}_test REUSE_FROM turnpike_pch)
  else()
    target_compile_options(${name}_test PRIVATE -O0)
    target_precompile_headers(${name}_test REUSE_FROM turnpike_test_pch)
  endif()
  add_test(NAME ${name} COMMAND ${name}_test)
  if(name IN_LIST folders_with_a_database)
    add_test(NAME ${name}_on_postgres COMMAND ${name}_test)
    set_tests_properties(${name}_on_postgres PROPERTIES ENVIRONMENT TURNPIKE_TEST_DATABASE=postgres LABELS full)
  endif()
endfunction()

# turnpike_folder(<name> [DEPENDS <folder>...] [LINK <library>...])
#
# One static library per folder of src and one test binary beside it: every *.cc is the library's, every *_test.cc the test's.
function(turnpike_folder name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;LINK" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.cc)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  if(NOT sources)
    add_library(turnpike_${name} INTERFACE)
    target_include_directories(turnpike_${name} INTERFACE ${PROJECT_SOURCE_DIR}/src)
    set(scope INTERFACE)
  else()
    add_library(turnpike_${name} STATIC ${sources})
    target_include_directories(turnpike_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src ${PROJECT_BINARY_DIR}/generated)
    set(scope PUBLIC)
    target_precompile_headers(turnpike_${name} REUSE_FROM turnpike_pch)
  endif()
  foreach(dependency ${ARG_DEPENDS})
    target_link_libraries(turnpike_${name} ${scope} turnpike_${dependency})
  endforeach()
  target_link_libraries(turnpike_${name} ${scope} ${ARG_LINK} Threads::Threads)
  if(TURNPIKE_TESTS AND tests)
    turnpike_test(${name} ${tests})
  endif()
endfunction()

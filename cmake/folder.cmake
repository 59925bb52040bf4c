# Sources share precompiled headers: one of the standard library, another with what nearly all of the upper folders include
# too; the tests have the same with GoogleTest in them. Tests are compiled without optimization, which halves their time; what
# they test is optimized as before, but for the templates that both use: of these the linker takes the test's.
set(folders_of_the_gateway pipeline api app drill)

function(turnpike_pch name header)
  add_library(${name} OBJECT ${PROJECT_SOURCE_DIR}/cmake/pch.cc)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_BINARY_DIR}/generated)
  target_link_libraries(${name} PRIVATE fmt::fmt ${ARGN})
  target_precompile_headers(${name} PRIVATE ${PROJECT_SOURCE_DIR}/cmake/${header})
endfunction()
turnpike_pch(turnpike_pch light_pch.h)
turnpike_pch(turnpike_gateway_pch gateway_pch.h ${simdjson_library} Boost::json)

# With TURNPIKE_UNOPTIMIZED all other folders are compiled without optimization: with sanitizers in it, what makes code out of
# coroutines takes a fifth of the time then, and their tests compute little.
set(folders_that_compute base json domain net http protocol price provider codec journal lease ledger limit proof router telemetry)
if(TURNPIKE_UNOPTIMIZED)
  turnpike_pch(turnpike_unoptimized_pch light_pch.h)
  target_compile_options(turnpike_unoptimized_pch PRIVATE -O0)
  target_compile_options(turnpike_gateway_pch PRIVATE -O0)
endif()
if(TURNPIKE_TESTS)
  turnpike_pch(turnpike_test_pch test_pch.h GTest::gtest)
  turnpike_pch(turnpike_gateway_test_pch gateway_test_pch.h GTest::gtest ${simdjson_library} Boost::json)
  target_compile_options(turnpike_test_pch PRIVATE -O0)
  target_compile_options(turnpike_gateway_test_pch PRIVATE -O0)
endif()

# turnpike_reuse_pch(<target> <folder> [test]): the precompiled header of that folder's sources or of its tests.
function(turnpike_reuse_pch target folder)
  set(gateway "")
  if(folder IN_LIST folders_of_the_gateway)
    set(gateway gateway_)
  endif()
  set(kind "")
  if(ARGN)
    set(kind test_)
  elseif(TURNPIKE_UNOPTIMIZED AND NOT folder IN_LIST folders_that_compute)
    target_compile_options(${target} PRIVATE -O0)
    if(NOT gateway)
      set(kind unoptimized_)
    endif()
  endif()
  target_precompile_headers(${target} REUSE_FROM turnpike_${gateway}${kind}pch)
endfunction()

# These run for many seconds in templates, which costs more than a quicker compilation spares.
set(folders_with_optimized_tests codec price ledger)

# These start first, so that none of them is left alone at the end.
set(folders_with_long_tests proof codec price)

# Tests of these run on SQLite, and with ./check --full on PostgreSQL too (src/db/test_postgres.h).
set(folders_with_a_database account ledger prompt proof api)

# turnpike_unite(<target>): eight sources are compiled as one, which reads their headers and makes what they share of templates
# once: a sixth to a half less time. So what a source keeps to itself needs a name that its neighbours do not have; a test has a
# namespace of its own, named as its file. Without TURNPIKE_UNITE a build shows that each source includes what it uses.
function(turnpike_unite target)
  if(TURNPIKE_UNITE)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
  endif()
endfunction()

# turnpike_test(<name> <source>...): the test binary <name>_test for the library turnpike_<name>.
function(turnpike_test name)
  add_executable(${name}_test ${ARGN})
  target_link_libraries(${name}_test PRIVATE turnpike_${name} GTest::gtest GTest::gtest_main)
  target_compile_definitions(${name}_test PRIVATE TURNPIKE_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  if(name IN_LIST folders_with_optimized_tests)
    turnpike_reuse_pch(${name}_test ${name})
  else()
    target_compile_options(${name}_test PRIVATE -O0)
    turnpike_reuse_pch(${name}_test ${name} test)
  endif()
  turnpike_unite(${name}_test)
  add_test(NAME ${name} COMMAND ${name}_test)
  if(name IN_LIST folders_with_long_tests)
    set_tests_properties(${name} PROPERTIES COST 60)
  endif()
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
    turnpike_reuse_pch(turnpike_${name} ${name})
    turnpike_unite(turnpike_${name})
  endif()
  foreach(dependency ${ARG_DEPENDS})
    target_link_libraries(turnpike_${name} ${scope} turnpike_${dependency})
  endforeach()
  target_link_libraries(turnpike_${name} ${scope} ${ARG_LINK} Threads::Threads)
  if(TURNPIKE_TESTS AND tests)
    turnpike_test(${name} ${tests})
  endif()
endfunction()

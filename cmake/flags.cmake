# Warnings and code generation common to all targets; what differs between builds stands in CMakePresets.json.
add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wconversion -Wno-sign-conversion
                    -Wno-gnu-statement-expression -fno-omit-frame-pointer)
add_link_options(-fuse-ld=lld-19)
add_compile_definitions(BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_BOOST_COROUTINE BOOST_ASIO_HAS_CO_AWAIT=1
                        BOOST_ASIO_SEPARATE_COMPILATION SPDLOG_COMPILED_LIB SPDLOG_FMT_EXTERNAL
                        TURNPIKE_VERSION="${PROJECT_VERSION}")
if(TURNPIKE_FAULTS)
  add_compile_definitions(TURNPIKE_FAULTS=1)
endif()

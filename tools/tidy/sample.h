#pragma once

int made_twice() {
  return 1;
}  // misc-definitions-in-headers
struct Loose {
  Loose(int value);  // google-explicit-constructor
  int value;
};

# A tour of awk: fields, arrays, functions, printf, regular expressions, getline, sorting (gawk).
function gcd(a, b) { return b == 0 ? a : gcd(b, a % b) }
function join_keys(a, sep,   k, s, n, keys) {
  n = asorti(a, keys)
  for (k = 1; k <= n; k++) s = s (k > 1 ? sep : "") keys[k] "=" a[keys[k]]
  return s
}
BEGIN {
  OFS = "|"
  print "pi", atan2(0, -1), exp(1), sqrt(2), int(-3.7), 2 ^ 10, 7 % 3, log(10), sin(1), cos(1)
  printf "%5.2f|%-6s|%06d|%x|%o|%e|%g|%c|%s|%i\n", 3.14159, "ab", 42, 255, 8, 12345.678, 1e-5, 65, 1e6, 9.99
  print length("hello"), index("hello", "l"), substr("hello", 2, 3), toupper("abc"), tolower("ABC"), gcd(1071, 462)
  s = "the cat sat on the mat"
  print gsub(/[aeiou]/, "<&>", s), s, match("foo123bar", /[0-9]+/), RSTART, RLENGTH
  print gensub(/(\w+) (\w+)/, "\\2 \\1", "g", "a b c d"), strtonum("0x1F"), and(12, 10), or(12, 10), xor(12, 10), lshift(1, 10)
  n = split("c,a,b", parts, ",")
  asort(parts)
  for (i = 1; i <= n; i++) printf "%s ", parts[i]
  print ""
  print 0.1 + 0.2, 1e300 * 1e10, -0, 100000 * 100000, 2 ** 53, 1 / 3, 1e6, 123456789
  print ("10" < "9"), (10 < 9), ("abc" ~ /^a.c$/), !("x" in parts)
  for (i = 1; i <= 2000; i++) hash[i % 37] += i * i
  print length(hash), hash[5], hash[36]
}
NF { words += NF; for (i = 1; i <= NF; i++) { count[length($i)]++; seen[$i]++ } }
/beta/ { beta[NR] = $0 }
$2 > 50 { big++; $3 = "changed"; last = $0 }
END {
  print NR, words, big, last
  print join_keys(count, ",")
  print length(seen), length(beta)
  PROCINFO["sorted_in"] = "@ind_num_asc"
  for (k in count) printf "%s:%s ", k, count[k]
  print ""
  exit 4
}

# A tour of Perl: regular expressions, hashes, closures, formats, sorting, files, pack, objects, local, sprintf.
use strict;
use warnings;
use List::Util qw(sum max first reduce shuffle);
use POSIX qw(floor ceil fmod strtol);
use Data::Dumper;
$Data::Dumper::Sortkeys = 1;
$Data::Dumper::Indent = 1;
$| = 1;

my $text = join " ", map { "word$_" } 1 .. 50;
my %count;
$count{ length $_ }++ for split / /, $text;
print "$_: $count{$_}\n" for sort { $a <=> $b } keys %count;
(my $changed = $text) =~ s/(\d+)/$1 * 2/ge;
print substr($changed, 0, 60), "\n";
my $mixed = "a1b22c333";
while ($mixed =~ /([a-z])(\d+)/g) { print "$1=$2 at ", pos($mixed), "\n" }
my @pairs = "k1=v1;k2=v2;k3=v3" =~ /(\w+)=(\w+)/g;
my %map = @pairs;
print Dumper(\%map);
print "balanced\n" if "(a(b)c)" =~ /^(\((?:[^()]++|(?1))*\))$/;
print join("|", "2024-03-05T10:20:30" =~ /^(?<y>\d+)-(?<m>\d+)-(?<d>\d+)/), " $+{y}\n";
(my $t = "Hello") =~ tr/a-zA-Z/n-za-mN-ZA-M/;
print "$t\n";

my @numbers = map { ($_ * 7919) % 1009 } 1 .. 100;
print join(",", (sort { $a <=> $b } @numbers)[0 .. 9]), "\n";
print join(",", (sort { $b % 10 <=> $a % 10 || $a <=> $b } @numbers)[0 .. 9]), "\n";
print sum(@numbers), " ", max(@numbers), " ", first { $_ > 900 } @numbers;
print " ", reduce { $a * $b % 1000003 } @numbers;
print "\n";
my @sieve = (1) x 1000;
for my $i (2 .. 31) { next unless $sieve[$i]; for (my $j = $i * $i; $j < 1000; $j += $i) { $sieve[$j] = 0 } }
print scalar(grep { $sieve[$_] } 2 .. 999), "\n";

printf "%s %5.2f %-6s| %05d %x %o %b %e %g %%\n", "str", 3.14159, "ab", 42, 255, 8, 5, 12345.678, 1e-5;
print 1 / 3, " ", 1e21, " ", 2**53 + 1, " ", 10 % 3, " ", -10 % 3, " ", int(-3.7), " ", 0.1 + 0.2, " ", 9**20, "\n";
print floor(-3.5), ceil(-3.5), fmod(10, 3), " ", hex("ff"), " ", oct("0x1f"), " ", sqrt(2), " ", atan2(1, 1) * 4, " ", exp(1), "\n";
print unpack("H*", pack("nNvVCa4A4w", 1, 2, 3, 4, 5, "ab", "cd", 300)), " ", join(",", unpack("(A2)*", "aabbcc")), "\n";
print "a" lt "b", " ", "10" == 10.0, " ", "abc" cmp "abd", " ", 2 <=> 10, " ", "z" x 3, " ", join("", reverse split //, "desrever"), "\n";

package Counter {
    my $instances = 0;
    sub new { my ($class, %args) = @_; $instances++; return bless { n => $args{start} // 0 }, $class }
    sub next { my $self = shift; return $self->{n}++ }
    sub DESTROY { print "destroyed at $_[0]{n}\n" }
    use overload '+' => sub { Counter->new(start => $_[0]{n} + (ref $_[1] ? $_[1]{n} : $_[1])) }, '""' => sub { "<$_[0]{n}>" };
}
{
    my $c = Counter->new(start => 5);
    $c->next for 1 .. 3;
    my $d = $c + 10;
    print "$c $d\n";
}
my @closures = map { my $n = $_; sub { $n += shift // 1 } } 1 .. 3;
print join(" ", map { $_->(10) } @closures), " ", $closures[0]->(), "\n";
our $level = 0;
sub show_level { return $level }
sub nested { local $level = $level + 1; return $level < 5 ? nested() : show_level() }
print nested(), " $level\n";
my $result = eval { die { code => 42 } };
print "caught $@->{code}\n" if ref $@;
eval { my $x = 1; my $y = $x / ($x - 1); };
print "error: $@";
eval { undefined_function() };
print "error: $@";
my @matrix = map { my $i = $_; [map { $i * $_ } 1 .. 4] } 1 .. 4;
print join("\n", map { join " ", @$_ } @matrix), "\n";
my %deep;
$deep{$_ % 3}{$_ % 5} += $_ for 1 .. 60;
print Dumper(\%deep);

my $name = shift // "tour.txt";
open(my $fh, "+>", $name) or die "cannot open: $!";
printf $fh "%d %s\n", $_, "x" x ($_ % 7) for 1 .. 200;
seek $fh, 0, 0;
my ($lines, $chars) = (0, 0);
while (<$fh>) { $lines++; chomp; $chars += length; last if $. >= 150 }
print "$lines $chars ", -s $name, " ", tell $fh, "\n";
close $fh;
unlink $name or die;
print -e $name ? "there" : "gone", "\n";
open(my $none, "<", "/no/such/file") or print "open: $!\n";
my $heredoc = <<"END" . "tail\n";
  value: @{[ 6 * 7 ]}
  env: $ENV{TOUR}
END
print $heredoc;
print join(",", map { sprintf "%vd", $_ } "1.22.333", "é"), " ", ucfirst lc "HELLO", " ", lcfirst "ABC", " ", sprintf("%s", 1e15), "\n";
print "sorted: @{[sort qw(pear Apple fig)]} ", scalar reverse("abc"), " ", join("-", splice(@{[1 .. 10]}, 2, 3)), " ", wantarray() // "undef", "\n";
exit 5;

# Processes of perl: fork, pipes in both directions, wait status, signals, exec, open with commands.
use strict; use warnings; use IO::Handle; use POSIX ();
$| = 1;
pipe(my $r, my $w) or die;
my $pid = fork() // die;
if ($pid == 0) { close $r; print $w "line $_\n" for 1 .. 3; close $w; POSIX::_exit(7); }
close $w;
print "parent read: $_" while <$r>;
waitpid($pid, 0); print "status ", $? >> 8, "\n";
open(my $out, "-|", "echo", "from", "a command") or die; print "got: ", <$out>; close $out;
open(my $in, "|-", "tr a-z A-Z") or die; print $in "upper\n"; close $in; print "closed $?\n";
my $text = `seq 5 | tail -n 1`; print "backticks $text";
system("sh", "-c", "exit 3"); print "system ", $? >> 8, "\n";
system("kill -9 \$\$"); print "killed ", $? & 127, "\n";
my @kids = map { my $n = $_; my $p = fork(); if (!$p) { POSIX::_exit($n) } $p } 1 .. 5;
my %status; while ((my $p = wait()) > 0) { $status{$p} = $? >> 8 } print join(",", map { $status{$_} } @kids), "\n";
{
  my $got = 0; local $SIG{CHLD} = sub { $got++ }; my $p = fork(); POSIX::_exit(0) unless $p;
  select(undef, undef, undef, 0.01) until $got; waitpid($p, 0); print "chld\n";
}
{ local $SIG{USR1} = sub { print "usr1\n" }; kill USR1 => $$; }
eval { local $SIG{ALRM} = sub { die "alarm\n" }; alarm 1; select(undef, undef, undef, 30); }; print "died of $@";
my $kid = open(my $from, "-|") // die; if (!$kid) { print "forked open\n"; exit 0 } print "it said ", <$from>; close $from;
pipe(my $pr, my $pw); if (!fork()) { close $pr; POSIX::dup2(fileno($pw), 1); exec "sh", "-c", "echo executed" } close $pw; print <$pr>; wait; print "exec status $?\n";
exec "perl", "-e", 'print "the last: @ARGV\n"', "a", "b";

# A hundred rounds of small commands, all of the shell's own.
i=0
text=
while [ $i -lt 100 ]; do
  i=$((i + 1))
  case $i in
    *[05]) text="$text $i" ;;
    *7) set -- one "two $i" three && shift && printf '%s|' "$1" ;;
    *) : "${unset:=default}" && test -n "$unset" && cd . ;;
  esac
  read -r line < /dev/null || line=none
  echo "$i $line ${text#* }" > /dev/null
done
echo "$i$text"

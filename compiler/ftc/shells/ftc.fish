# Completion of ftc for fish: ftc completion fish | source
function __ftc_complete
    set -l words (commandline -opc)
    set -l answer (_FTC_COMPLETE=fish $words[1] $words[2..-1] (commandline -ct) 2>/dev/null)
    for line in $answer[2..-1]
        echo $line
    end
    switch "$answer[1]"
        case files
            __fish_complete_path (commandline -ct)
        case directories
            __fish_complete_directories (commandline -ct)
    end
end
complete -c ftc -f -a '(__ftc_complete)'

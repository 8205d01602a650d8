function _dkimctl_completion;
    set -l response (env _DKIMCTL_COMPLETE=fish_complete COMP_WORDS=(commandline -cp) COMP_CWORD=(commandline -ct) dkimctl);

    set -l option (string match --regex -- '^--[^=]+=' (commandline -ct));

    for completion in $response;
        set -l metadata (string split --max 1 "," $completion);

        if test $metadata[1] = "dir";
            printf "%s\n" "$option"(__fish_complete_directories $metadata[2]);
        else if test $metadata[1] = "file";
            printf "%s\n" "$option"(__fish_complete_path $metadata[2]);
        else if test $metadata[1] = "plain";
            echo "$option"$metadata[2];
        end;
    end;
end;

complete --no-files --command dkimctl --arguments "(_dkimctl_completion)";

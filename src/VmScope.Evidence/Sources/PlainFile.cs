namespace VmScope.Sources;

/// <summary>Files of the file system.</summary>
internal static class PlainFile
{
    /// <summary>Opens a file for reading from front to back, unbuffered: the readers have buffers of their own.</summary>
    /// <exception cref="EvidenceException">It is there and cannot be opened.</exception>
    internal static MissingReason TryOpen(string path, out FileStream? file)
    {
        file = null;
        try
        {
            file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0, FileOptions.SequentialScan);
            return MissingReason.None;
        }
        catch (UnauthorizedAccessException)
        {
            return Directory.Exists(path) ? MissingReason.Absent : MissingReason.NoPermission;
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            return MissingReason.Absent;
        }
        catch (IOException error)
        {
            throw new EvidenceException($"{path}: {FileProblem.Text(error)}", error);
        }
    }

    /// <summary>Whether it is a file of known length with no gzip data in it, so that it can be mapped.</summary>
    internal static bool IsPlain(string path)
    {
        if (TryOpen(path, out FileStream? file) != MissingReason.None)
        {
            return false;
        }

        using (file)
        {
            Span<byte> prefix = stackalloc byte[Compression.PrefixBytes];
            return file!.CanSeek && file.Length > 0 && !Compression.IsGzip(prefix[..Compression.ReadFully(file, prefix)]);
        }
    }
}

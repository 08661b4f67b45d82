using System.Buffers.Binary;

namespace VmScope.Physical;

/// <summary>Bytes at physical addresses: a modelled machine's frames, or a memory dump.</summary>
public interface IPhysicalMemory
{
    /// <summary>Copies bytes out of physical memory.</summary>
    /// <returns>False when any of the bytes is not there; the destination is then undefined.</returns>
    bool TryRead(PhysicalAddress start, Span<byte> destination);
}

/// <summary>Physical memory that can also be changed.</summary>
public interface IWritablePhysicalMemory : IPhysicalMemory
{
    /// <summary>Copies bytes into physical memory.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The address lies past what the machine can address.</exception>
    void Write(PhysicalAddress start, ReadOnlySpan<byte> source);
}

/// <summary>Little-endian words in physical memory.</summary>
public static class PhysicalWords
{
    /// <summary>Reads a word of 4 or 8 bytes.</summary>
    /// <returns>False when it is not there.</returns>
    public static bool TryReadWord(this IPhysicalMemory memory, PhysicalAddress at, int sizeBytes, out ulong word)
    {
        if (memory is SparseMemory sparse && sparse.TryWord(at, sizeBytes, out word))
        {
            return true;
        }

        Span<byte> bytes = stackalloc byte[8];
        bytes.Clear();
        bool isThere = memory.TryRead(at, bytes[..sizeBytes]);
        word = isThere ? BinaryPrimitives.ReadUInt64LittleEndian(bytes) : 0;
        return isThere;
    }

    /// <summary>Writes a word of 4 or 8 bytes; higher bytes of the value are dropped.</summary>
    public static void WriteWord(this IWritablePhysicalMemory memory, PhysicalAddress at, int sizeBytes, ulong word)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, word);
        memory.Write(at, bytes[..sizeBytes]);
    }
}
